# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The errors that this package raises on purpose.

    FourviewError
    ├── PictureError      a picture cannot be used
    ├── RecipeError       a parameter is unknown, of the wrong type or out of range
    ├── SurfaceError      the field has no usable surface
    ├── MeshError         a mesh file cannot be read, or holds nothing
    ├── CheckpointError   weights are missing, damaged, or not those of the network
    ├── MemoryShortError  the network does not fit into the memory
    ├── DownloadError     weights cannot be fetched
    ├── OutputError       the result cannot be written where it was asked for
    ├── MissingExtraError an optional part is not installed
    ├── ChildError        a part of the work that runs in its own process died
    ├── RunnerDiedError   the process that does the work has ended
    ├── ServiceError      the service cannot do what a request or a setting asks for
    │   ├── KeyMissingError   no key was sent
    │   ├── KeyInvalidError   the key is unknown, revoked or expired
    │   ├── CreditError       the balance does not cover the price
    │   ├── SettingsError     the settings cannot be read, or do not go together
    │   ├── AddressError      a URL leads to an address that the service must not request
    │   ├── SignatureError    a signed URL has expired, or was not signed here
    │   └── DependencyAwayError  the database or the file store cannot be used for now
    └── CanceledError     the caller asked to stop

A message carries the value, the expectation and the cure, in one line:
`the 'left' picture is 1 x 1 pixels; at least 16 x 16 are needed: send a larger picture`.
"""

from typing import Literal

Dependency = Literal["database", "file store"]


class FourviewError(Exception):
    """Base of all errors whose cause the caller can correct."""


class PictureError(FourviewError):
    """A picture cannot be used."""


class RecipeError(FourviewError):
    """A parameter is unknown, of the wrong type or out of range."""


class SurfaceError(FourviewError):
    """The field has no usable surface."""


class MeshError(FourviewError):
    """A mesh file cannot be read, or holds nothing."""


class CheckpointError(FourviewError):
    """Weights are missing, damaged, or not those of the network."""


class MemoryShortError(FourviewError):
    """The network does not fit into the memory, or memory ran out."""


class DownloadError(FourviewError):
    """Weights cannot be fetched."""


class OutputError(FourviewError):
    """The result cannot be written where it was asked for."""


class MissingExtraError(FourviewError):
    """An optional part is not installed; the message holds the install line."""


class ChildError(FourviewError):
    """A part of the work that runs in its own process died or exceeded its time or memory."""


class RunnerDiedError(FourviewError):
    """The process that did the work has ended; the runner's `start` starts another one."""


class ServiceError(FourviewError):
    """The service cannot do what a request or a setting asks for."""


class KeyMissingError(ServiceError):
    """No key was sent."""


class KeyInvalidError(ServiceError):
    """The key is unknown, revoked or expired: `why` is for our log, the message says the same of all three."""

    def __init__(self, why: str) -> None:
        super().__init__("the key is not valid; ask for a new one")
        self.why = why


class CreditError(ServiceError):
    """The balance does not cover the price; both are in thousandths of a credit."""

    def __init__(self, message: str, balance: int, price: int) -> None:
        super().__init__(message)
        self.balance = balance
        self.price = price


class SettingsError(ServiceError):
    """The settings cannot be read, or do not go together; one reason a line."""


class AddressError(ServiceError):
    """A URL leads to an address that the service must not request."""


class SignatureError(ServiceError):
    """A signed URL has expired, or is not one that this service signed."""


class DependencyAwayError(ServiceError):
    """The database or the file store cannot be used for now: wait and try again.

    `name`: which of the two. `is_full`: it answers, but has no space left.
    """

    def __init__(self, name: Dependency, reason: str, *, is_full: bool = False) -> None:
        super().__init__(f"the {name} cannot be used now: {' '.join(reason.split())}")
        self.name = name
        self.is_full = is_full


class CanceledError(FourviewError):
    """The caller asked to stop."""
