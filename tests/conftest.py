"""Settings of every test: one thread, reproducible draws, and where Chromium is."""

import os
import shutil

import hypothesis
import pytest
import torch

COMMON = {
    "deadline": None,
    "print_blob": True,
    # several properties build modules in the test itself, which Hypothesis counts as slow draws
    "suppress_health_check": list(hypothesis.HealthCheck),
}
# 200 drawn examples for each property; `make test-deep` draws 2,000 fresh ones
hypothesis.settings.register_profile(
    "ci", max_examples=200, derandomize=True, database=None, **COMMON
)
hypothesis.settings.register_profile("deep", max_examples=2000, **COMMON)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
torch.set_num_threads(1)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium():
    """Return the path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(config, items):
    """Mark the property tests; without Chromium leave the browser tests out, or, in CI, fail."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("property")
    if find_chromium():
        return
    browser = [item for item in items if item.get_closest_marker("browser")]
    if browser and os.environ.get("CI"):
        raise pytest.UsageError("no Chromium for the browser tests: install Debian's chromium")
    config.hook.pytest_deselected(items=browser)
    items[:] = [item for item in items if item not in browser]


def pytest_terminal_summary(terminalreporter, config):
    """Say what did not run."""
    if not find_chromium():
        terminalreporter.write_line(
            "The browser tests did NOT run: no Chromium was found (Debian: apt install chromium).",
            yellow=True,
        )


@pytest.fixture(autouse=True)
def seed():
    """Start every test from the same random state."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def browser():
    """Start Chromium once for all tests of a process that drive it."""
    from browser import FLAGS
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()
