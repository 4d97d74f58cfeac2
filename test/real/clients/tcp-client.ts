import net from 'node:net';

/** Sends a text to a local port, ends its side, and gives all that comes back; nothing where it is broken off. */
export async function ask(port: number, text: string): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.end(text);
  let answer = '';
  try {
    for await (const chunk of socket) answer += String(chunk);
  } catch {
    // What was there before counts.
  }
  return answer;
}

/**
 * As `ask`, for one connection for each text, to a server that sends back what it gets. All are open, and have been
 * answered once, before any of them goes on: they are opened one after the other, since busybox's `nc` lets two wait.
 */
export async function askAtOnce(port: number, texts: readonly string[]): Promise<string[]> {
  const sockets: net.Socket[] = [];
  for (const _ of texts) {
    const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.write('?');
    await new Promise((resolve, reject) => socket.once('data', resolve).once('error', reject));
    sockets.push(socket);
  }
  return Promise.all(
    sockets.map(async (socket, index) => {
      socket.end(texts[index] ?? '');
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      return answer;
    }),
  );
}
