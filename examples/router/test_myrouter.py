"""One test for every property and router: pytest -v shows their names."""

from equipoise.testing import parametrize_with_checks
from myrouter import Balanced


@parametrize_with_checks([Balanced], examples=10)
def test_routers(target, check):
    check(target)
