"""Every model of the catalogue passes the suite that `genbench check` holds anyone's against."""

import pytest

from genbench import catalogue, check


@pytest.mark.parametrize("name", sorted(catalogue.names("models")))
def test_model(name):
    failed = [f"{title}: {reason}" for title, reason in check.run("model", name) if reason is not None]
    assert not failed, "\n".join(failed)
