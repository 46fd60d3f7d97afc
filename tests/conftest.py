# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Under `FOURVIEW_REQUIRE=all` nothing may be skipped: a skip becomes a failure.

Only what lies elsewhere, and no machine can install, may be missing.
"""

import pytest
from require import ELSEWHERE, is_required


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _without_skip((yield))


def _without_skip(report):
    if report.skipped and not hasattr(report, "wasxfail") and is_required("all"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not reason.startswith(f"Skipped: {ELSEWHERE}"):
            report.outcome, report.longrepr = "failed", f"skipped under FOURVIEW_REQUIRE=all: {reason}"
    return report
