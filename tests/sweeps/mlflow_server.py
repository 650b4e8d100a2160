"""A real MLflow server in a thread of the test, in front of which calls can be made to fail."""

import json
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import mlflow

PASSWORD = "pw9x7q-and-more"


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


class FailingServer:
    """An MLflow server on a data base; `fails` says of the number of a call whether it answers with an error.

    Its errors repeat what it was asked, the password in its header too, as servers do that are being debugged.
    """

    def __init__(self, store, folder, monkeypatch):
        monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", store)
        monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", f"{folder}/artifacts")
        monkeypatch.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
        from mlflow.server import app, handlers

        handlers._tracking_store = None  # that of another test
        self.store, self.app, self.calls, self.fails = store, app, 0, lambda number: False
        self.server = make_server("127.0.0.1", 0, self._answer, handler_class=Quiet)
        self.uri = f"http://me:{PASSWORD}@127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def _answer(self, environment, start):
        self.calls += 1
        if not self.fails(self.calls):
            return self.app(environment, start)
        asked = {key: value for key, value in environment.items() if key.startswith("HTTP_")}
        asked["Authorization"] = asked.pop("HTTP_AUTHORIZATION", "")
        start("507 Insufficient Storage", [("Content-Type", "application/json")])
        return [json.dumps({"message": f"in trouble; {self.uri} was asked {asked}"}).encode()]

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        mlflow.set_tracking_uri(None)  # its store's, which the server gives the process, and so to sweeps begun by it
