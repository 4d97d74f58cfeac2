"""Drives nodelet with Kubernetes' Python client (kubernetes.stream, kubernetes.watch) and prints what came, as JSON.

Usage: python_client.py API_URL WHAT [ARGUMENT...]
"""

import hashlib
import json
import sys

from kubernetes import client, watch
from kubernetes.stream import portforward, stream

RESIZE_CHANNEL = 4


def open_stream(method, pod, container, **options):
    streams = {"stderr": True, "stdin": True, "stdout": True, "tty": False, **options}
    return stream(method, pod, "default", container=container, _preload_content=False, **streams)


def open_exec(api, command, **options):
    return open_stream(api.connect_get_namespaced_pod_exec, "box", "main", command=command, **options)


def read_until(session, text):
    """What was printed up to and with this text."""
    seen = ""
    while text not in seen:
        if not session.is_open():
            raise RuntimeError(f"ended before {text!r}: {seen!r}")
        session.update(timeout=1)
        seen += session.read_stdout(timeout=0)
    return seen


def run(api, script):
    session = open_exec(api, ["sh", "-c", script])
    session.write_stdin("hello\n")
    session.run_forever(timeout=30)
    return {"stdout": session.read_stdout(), "stderr": session.read_stderr(), "code": session.returncode}


def missing(api):
    session = open_exec(api, ["no-such-program"])
    session.run_forever(timeout=30)
    try:
        return {"code": session.returncode}
    except (KeyError, TypeError, ValueError):
        # This client knows only failures that have an exit code.
        return {"code": None}


def much(api, size):
    """Sends so many bytes and gives the checksums of what it has sent and got."""
    size = int(size)
    session = open_exec(api, ["head", "-c", str(size)])
    sent, got, count = hashlib.sha256(), hashlib.sha256(), 0
    for start in range(0, size, 65536):
        piece = f"{start:07x}\n" * (min(65536, size - start) // 8)
        session.write_stdin(piece)
        sent.update(piece.encode())
        session.update(timeout=0)
        back = session.read_stdout(timeout=0)
        got.update(back.encode())
        count += len(back)
    while session.is_open():
        session.update(timeout=1)
        back = session.read_stdout(timeout=0)
        got.update(back.encode())
        count += len(back)
    return {"sent": sent.hexdigest(), "got": got.hexdigest(), "count": count, "code": session.returncode}


def terminal(api):
    session = open_exec(api, ["sh"], tty=True)
    sizes = []
    for width, height in ((97, 13), (110, 41)):
        session.write_channel(RESIZE_CHANNEL, json.dumps({"Width": width, "Height": height}))
        wanted = f"{height} {width}\r\n"
        seen = ""
        while wanted not in seen:
            session.write_stdin("stty size\r")
            session.update(timeout=1)
            seen += session.read_stdout(timeout=0)
        sizes.append(wanted.strip())
    session.write_stdin("exit 5\r")
    session.run_forever(timeout=30)
    return {"sizes": sizes, "code": session.returncode}


def attach(api):
    sessions = [open_stream(api.connect_get_namespaced_pod_attach, "talk", "main") for _ in range(2)]
    for number, session in enumerate(sessions):
        seen = ""
        while f"got python-{number}" not in seen:
            # What is printed before the attachment stands is for the log alone.
            session.write_stdin(f"python-{number}\n")
            session.update(timeout=1)
            seen += session.read_stdout(timeout=0)
    heard = read_until(sessions[0], "got python-1")
    for session in sessions:
        session.close()
    return {"heard": "got python-1" in heard}


def forward(api, pod, port, connections):
    """One session for each connection, since a port of this client's is one connection."""
    port = int(port)
    sessions = [
        portforward(api.connect_get_namespaced_pod_portforward, pod, "default", ports=str(port))
        for _ in range(int(connections))
    ]
    answers = []
    for number, session in enumerate(sessions):
        session.socket(port).setblocking(True)
        session.socket(port).sendall(f"word {number}".encode())
    for session in sessions:
        answers.append(session.socket(port).recv(4096).decode())
    errors = [session.error(port) for session in sessions]
    for session in sessions:
        session.socket(port).close()
    return {"answers": answers, "errors": [error for error in errors if error]}


def refused(api, pod, port):
    port = int(port)
    session = portforward(api.connect_get_namespaced_pod_portforward, pod, "default", ports=str(port))
    session.socket(port).setblocking(True)
    return {"answer": session.socket(port).recv(4096).decode(), "error": session.error(port)}


def follow(api, lines):
    """The first lines of a log that is followed."""
    watcher = watch.Watch()
    got = []
    for line in watcher.stream(api.read_namespaced_pod_log, "chat", "default", container="main"):
        got.append(line)
        if len(got) == int(lines):
            watcher.stop()
            break
    return {"lines": got}


def pods(api, selector):
    items = api.list_namespaced_pod("default", label_selector=selector).items
    return {"names": [item.metadata.name for item in items], "phases": [item.status.phase for item in items]}


def main():
    url, what, *arguments = sys.argv[1:]
    configuration = client.Configuration()
    configuration.host = url
    api = client.CoreV1Api(client.ApiClient(configuration))
    calls = [run, missing, much, terminal, attach, forward, refused, follow, pods]
    call = {each.__name__: each for each in calls}[what]
    print(json.dumps(call(api, *arguments)))


main()
