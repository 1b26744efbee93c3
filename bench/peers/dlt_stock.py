"""A pipeline of dlt as its documentation shows it: the REST source, which asks for one page after the other.

Usage: dlt_stock.py ORIGIN TOKEN POSTGRESQL
"""

import os
import sys

import dlt
from dlt.sources.rest_api import rest_api_source

ORIGIN, TOKEN, DATABASE = sys.argv[1:]
KEY = ["adamId", "pricingParam", "clientUserId", "serialNumber"]

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

source = rest_api_source(
    {
        "client": {
            "base_url": f"{ORIGIN}/mdm/v2/",
            "auth": {"type": "bearer", "token": TOKEN},
            "paginator": {
                "type": "page_number",
                "base_page": 0,
                "page_param": "pageIndex",
                "total_path": "totalPages",
            },
        },
        "resources": [
            {
                "name": "assignments",
                "primary_key": KEY,
                "write_disposition": "merge",
                "endpoint": {"path": "assignments", "data_selector": "assignments"},
                "processing_steps": [{"map": lambda one: dict.fromkeys(KEY, "") | one}],
            }
        ],
    }
)
pipeline = dlt.pipeline("stock", destination=dlt.destinations.postgres(DATABASE), dataset_name="bench")
pipeline.run(source)
