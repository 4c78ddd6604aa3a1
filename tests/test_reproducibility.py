"""Python's global random state, put back."""

import random

import pytest

from lesionkit.errors import OptionError
from lesionkit.reproducibility import random_kept


@pytest.mark.parametrize("seed", [None, 3])
def test_the_random_state_is_put_back_also_after_an_error(seed):
    state = random.getstate()
    with random_kept(seed):
        random.random()
    assert random.getstate() == state
    with pytest.raises(KeyError), random_kept(seed):
        random.random()
        raise KeyError
    assert random.getstate() == state


def test_a_block_starts_from_its_seed_and_without_one_from_where_it_is():
    drawn = []
    for _ in range(2):
        with random_kept(3):
            drawn.append(random.random())
    assert drawn[0] == drawn[1]
    with random_kept():
        ahead = random.random()
    assert random.random() == ahead


def test_a_seed_that_is_none_is_refused_and_nothing_changes():
    state = random.getstate()
    with pytest.raises(OptionError, match="seed"), random_kept(-1):
        pass
    assert random.getstate() == state
