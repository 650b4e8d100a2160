"""What a test does to the environment is undone, so that no later command inherits it."""

import os


def test_one_sets_the_store_as_an_mlflow_server_does():
    os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///of_this_test.db"


def test_the_next_and_its_commands_do_not_see_it():
    assert "MLFLOW_TRACKING_URI" not in os.environ
