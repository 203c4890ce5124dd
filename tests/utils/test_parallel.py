"""Work in threads: in order, and with few items in memory."""

import time

import pytest

from dpam.utils.parallel import in_order


def test_results_come_in_order_and_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    def work(number):
        time.sleep(0.004 if number % 3 == 0 else 0)
        return number * number

    for count, result in enumerate(in_order(work, items(), 3)):
        assert result == count * count
        assert len(taken) <= count + 6
    assert len(taken) == 50
    assert list(in_order(work, [], 2)) == []


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // number, [1, 0, 2], 2))
