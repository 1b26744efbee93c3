"""Pages, rendered once for each state of the data and then only handed out: Apple must never be what is slow."""

import gzip
import json
from dataclasses import dataclass

from .organisation import Organisation


@dataclass(frozen=True)
class Rendered:
    """One answer, ready for the wire in both encodings."""

    plain: bytes
    packed: bytes


class Pages:
    """The pages of one location as they stand now."""

    def __init__(self, organisation: Organisation, token_expires: str) -> None:
        self._organisation = organisation
        self._token_expires = token_expires
        self._rendered: dict[tuple[str, int], Rendered] = {}
        self._records: dict[str, list[bytes]] = {}

    def forget(self) -> None:
        """Drop what was rendered: the data changed."""
        self._rendered.clear()
        self._records.clear()

    def total(self, resource: str) -> int:
        """Count the pages of a resource; an empty list is one empty page."""
        return max(1, -(-len(self._listing(resource)) // self._organisation.size.page_size))

    def page(self, resource: str, index: int) -> Rendered:
        """Give one page; beyond the end it is an empty one."""
        key = (resource, index)
        if key not in self._rendered:
            self._rendered[key] = self._render(resource, index)
        return self._rendered[key]

    def without_list(self, resource: str, index: int) -> Rendered:
        """Give a page whose list of records is missing altogether."""
        return _both(b"{" + self._envelope(resource, index, 0) + b"}")

    def _listing(self, resource: str) -> list[bytes]:
        if resource not in self._records:
            self._records[resource] = self._organisation.records(resource)
        return self._records[resource]

    def _render(self, resource: str, index: int) -> Rendered:
        size = self._organisation.size.page_size
        records = self._listing(resource)[index * size : (index + 1) * size]
        listing = b'"' + resource.encode() + b'":[' + b",".join(records) + b"],"
        return _both(b"{" + listing + self._envelope(resource, index, len(records)) + b"}")

    def _envelope(self, resource: str, index: int, count: int) -> bytes:
        envelope: dict[str, object] = {
            "currentPageIndex": index,
            "size": count,
            "totalPages": self.total(resource),
        }
        if index + 1 < self.total(resource):
            envelope["nextPageIndex"] = index + 1
        if self._organisation.owner is not None:
            envelope["mdmInfo"] = self._organisation.owner
        envelope |= {
            "tokenExpirationDate": self._token_expires,
            "uId": self._organisation.uid,
            "versionId": self._organisation.versions[resource],
        }
        return json.dumps(envelope).encode()[1:-1]


def _both(plain: bytes) -> Rendered:
    return Rendered(plain, gzip.compress(plain, compresslevel=1, mtime=0))
