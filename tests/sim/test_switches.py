"""Worlds without an optimisation (`--without`)."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from quorate.cli.sim import sim
from quorate.config import Settings
from quorate.errors import ConfigurationError
from quorate.sim.explore import Campaign
from quorate.sim.switches import OFF
from quorate.sim.world import World


@pytest.mark.parametrize("name", OFF)
def test_a_switch_is_off_in_all_worlds(name: str) -> None:
    """Whatever the seed draws; and the world without it is run through."""
    for seed in range(20):
        settings = Campaign(without=(name,)).plan(seed).settings
        assert all(getattr(settings, setting) == off for setting, off in OFF[name].items())
    assert World(Campaign("calm", without=(name,)).plan(3)).run().verdicts == ()


@pytest.mark.parametrize("name", sorted(set(OFF) - {"request-macs", "batching"}))
def test_no_setting_is_off_as_it_comes(name: str) -> None:
    """Else there would be nothing to switch off."""
    defaults = Settings(request_authentication="mac")
    assert all(getattr(defaults, setting) != off for setting, off in OFF[name].items())


def test_several_are_off_at_once_and_the_command_says_so() -> None:
    campaign = Campaign("calm", without=("tentative-execution", "batching"))
    settings = campaign.plan(1).settings
    assert (settings.tentative_execution, settings.batch_requests_max) == (False, 1)
    assert "--without tentative-execution,batching" in campaign.command(1)
    shown = CliRunner().invoke(sim, campaign.command(1).split()[2:-1])
    assert shown.exit_code == 0, shown.output


def test_a_switch_that_there_is_not() -> None:
    with pytest.raises(ConfigurationError, match="--without mercy: there is no such switch; there are tentative-exec"):
        Campaign(without=("mercy",)).check()
