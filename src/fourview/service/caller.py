# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The caller of a request. `http.auth` finds it; routes hand it down."""

from dataclasses import dataclass

from fourview.service.store.keys import Key


@dataclass(frozen=True)
class Caller:
    """Whose request it is. `pays`: False where the service runs without keys and credits."""

    key: Key
    pays: bool

    @property
    def account_id(self) -> str:
        return self.key.account_id
