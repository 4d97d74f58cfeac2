/** The modes of a terminal that somebody sits at, termios(3). */
export interface TerminalModes {
  /**
   * Has the terminal pass each key on and show each byte as it comes (cfmakeraw(3)). Returns what puts it back as it was; that
   * the terminal has gone meanwhile is no failure. `tool-failed` where the descriptor is no terminal.
   */
  makeRaw(fd: number): () => void;
}
