"""The server answers its own page on this machine, and nobody else."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest

from minivit import ViT, load_mnist
from minivit.__main__ import main
from minivit.data import TRAINED_DIGITS
from minivit.live.server import LARGEST, Server

PIXELS = load_mnist().test_images[0].ravel().tolist()


@pytest.fixture(scope="module")
def server():
    with Server(ViT.load(TRAINED_DIGITS), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server, method="GET", path=None, body=None, **headers):
    """The status, the headers and the body of one answer, 0 where there is none. None takes a header away."""
    host = f"127.0.0.1:{server.server_port}"
    usual = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json"}
    if body is not None:
        usual["Content-Length"] = str(len(body))
    usual |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path or f"/{server.token}/", skip_host=True, skip_accept_encoding=True)
    for name, value in usual.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    try:
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    except TimeoutError:
        return 0, {}, b""
    finally:
        connection.close()


def post(server, content, **headers):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ask(server, "POST", f"/{server.token}/ask", body, **headers)


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/" and len(server.token) >= 20


def test_the_page_and_its_parts_are_served(server):
    for name, kind in (("", "text/html"), ("live.js", "text/javascript"), ("live.css", "text/css")):
        status, headers, body = ask(server, path=f"/{server.token}/{name}")
        assert status == 200 and headers["Content-Type"].startswith(kind) and len(body) > 500
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"


def test_a_question_is_answered(server):
    status, headers, body = post(server, {"id": 1, "ask": "see", "pixels": PIXELS})
    (length,) = struct.unpack_from("<I", body)
    answer = json.loads(body[4 : 4 + length])
    logits = np.frombuffer(body, "<f4", 10, 4 + length)
    model = server.session.given
    assert status == 200 and answer["logits"] == {"array": 0, "shape": [10]}
    np.testing.assert_allclose(logits, model(model.normalize(load_mnist().test_images[:1]))[0], atol=1e-5)
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/", "/ask", "/{}", "/{}x/", "/x{}/", "/%2e/{}/", "/%C3%A9/"])
def test_without_the_token_there_is_nothing(server, path):
    path = path.format(server.token)
    status, _, body = ask(server, path=path)
    assert status == 403 and b"open the whole address" in body
    assert ask(server, "POST", path, b"{}")[0] == 403


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "forward.js", "ask", "live.js/", "live.js?x"])
def test_nothing_but_the_page_is_served(server, name):
    assert ask(server, path=f"/{server.token}/{name}")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{}", "", None])
def test_another_name_that_leads_here_is_refused(server, host):
    host = host and host.format(server.server_port)
    assert ask(server, Host=host)[0] == 421
    assert post(server, {"ask": "digit"}, Host=host)[0] == 421


def test_localhost_is_this_machine_too(server):
    assert ask(server, Host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{}", None])
def test_another_page_is_refused_an_answer(server, origin):
    origin = origin and origin.format(server.server_port)
    status, _, body = post(server, {"ask": "digit", "id": 1}, Origin=origin)
    assert status == 403 and b"pixels" not in body


def test_forms_of_other_pages_are_refused(server):
    assert post(server, {"ask": "digit"}, Content_Type="text/plain")[0] == 415
    assert post(server, {"ask": "digit"}, Content_Type=None)[0] == 415


@pytest.mark.parametrize(
    ("length", "status"), [("x", 411), ("-1", 411), ("²", 411), (None, 411), (str(LARGEST + 1), 413), ("9" * 30, 413)]
)
def test_sizes_are_limited_and_told(server, length, status):
    length = length and length.encode("utf-8").decode("latin-1")
    assert post(server, b"", Content_Length=length)[0] == status


def test_chunks_have_no_length_that_is_told(server):
    assert post(server, {"ask": "digit"}, Transfer_Encoding="chunked")[0] == 411


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 60000])
def test_what_is_no_json_is_refused(server, content):
    assert post(server, content)[0] == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(server, method):
    assert ask(server, method)[0] == 501


def test_a_head_is_that_of_the_page_without_the_page(server):
    status, _, body = ask(server, "GET")
    told = ask(server, "HEAD")
    assert told[0] == status == 200 and told[1]["Content-Length"] == str(len(body)) and told[2] == b""


def test_a_mistake_in_a_request_is_an_answer(server):
    status, _, body = post(server, {"ask": "see", "id": 5, "pixels": [1]})
    assert status == 200 and b"no list of 784 numbers" in body


def test_a_refused_request_ends_the_connection(server):
    """Its body is no next request."""
    with socket.create_connection(("127.0.0.1", server.server_port), 10) as connection:
        host = f"Host: 127.0.0.1:{server.server_port}\r\n"
        smuggled = f"GET /{server.token}/ HTTP/1.1\r\n{host}\r\n".encode()
        head = f"POST /x/ask HTTP/1.1\r\n{host}Content-Length: {len(smuggled)}\r\n\r\n"
        connection.sendall(head.encode() + smuggled)
        answer, part = b"", b"?"
        while part:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                break
            answer += part
    assert part == b"", "the connection stays open"
    assert answer.startswith(b"HTTP/1.1 403") and answer.count(b"HTTP/1.1") == 1


# ---- the command -----------------------------------------------------------------------------------------------------


def test_a_taken_port_is_said(server, capsys):
    assert main(["live", "--port", str(server.server_port)]) == 2
    said = capsys.readouterr().err
    assert f"port {server.server_port} is taken by another program: name another, or --port 0" in said


@pytest.mark.parametrize("port", ["65536", "-1", "x", "8787.0", "²"])
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        main(["live", f"--port={port}"])
    assert "expected a port, 0 … 65535" in capsys.readouterr().err


def test_it_says_its_address_and_ctrl_c_ends_it(tmp_path):
    command = [sys.executable, "-m", "minivit", "live", "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes) as process:
        address = ""
        while "127.0.0.1" not in address:
            address = process.stdout.readline()
            assert address, process.stderr.read()
        port = int(address.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), 10):
            pass  # somebody listens
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=180)
    assert process.returncode == 0 and error == "" and "The page is closed." in out
    assert list(tmp_path.iterdir()) == []  # nothing was written
