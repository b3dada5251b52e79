import inspect

import pytest

from domainvec import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_a_domainvec_error(kind):
    assert issubclass(kind, errors.DomainVecError)
    assert kind.__doc__


def test_a_refused_checkpoint_is_a_checkpoint_error():
    assert issubclass(errors.UnsafeCheckpointError, errors.CheckpointError)
