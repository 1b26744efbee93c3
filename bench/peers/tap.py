"""A tap of the Singer SDK: it writes records to a target for PostgreSQL, one page after the other.

Usage: tap.py --config FILE, with origin and token in the file
"""

from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import BasePageNumberPaginator
from singer_sdk.streams import RESTStream


class Pages(BasePageNumberPaginator):
    def has_more(self, response) -> bool:
        page = response.json()
        return page["currentPageIndex"] + 1 < page["totalPages"]


class Assignments(RESTStream):
    name = "assignments"
    path = "/mdm/v2/assignments"
    records_jsonpath = "$.assignments[*]"
    primary_keys = ("adamId", "pricingParam", "clientUserId", "serialNumber")
    schema = th.PropertiesList(*(th.Property(name, th.StringType, required=True) for name in primary_keys)).to_dict()

    @property
    def url_base(self) -> str:
        return self.config["origin"]

    @property
    def authenticator(self):
        return BearerTokenAuthenticator(token=self.config["token"])

    def get_new_paginator(self) -> Pages:
        return Pages(start_value=0)

    def get_url_params(self, context, next_page_token):
        return {"pageIndex": next_page_token or 0}

    def post_process(self, row, context=None):
        return {name: str(row.get(name) or "") for name in self.primary_keys}


class Assigned(Tap):
    name = "tap-assigned"
    config_jsonschema = th.PropertiesList(
        th.Property("origin", th.StringType, required=True), th.Property("token", th.StringType, required=True)
    ).to_dict()

    def discover_streams(self):
        return [Assignments(self)]


Assigned.cli()
