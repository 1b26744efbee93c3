"""A spider of Scrapy: an item is a page, and a pipeline merges it into PostgreSQL. There are no events, and no deletes.

Usage: spider.py ORIGIN TOKEN POSTGRESQL
"""

import json
import sys

import psycopg
import scrapy
from scrapy.crawler import CrawlerProcess

ORIGIN, TOKEN, DATABASE = sys.argv[1:]
KEY = "adam_id, pricing_param, client_user_id, serial_number"


class Merge:
    def open_spider(self) -> None:
        self.connection = psycopg.connect(DATABASE)
        columns = "adam_id text, pricing_param text, client_user_id text, serial_number text, record text"
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS mirror ({columns}, PRIMARY KEY ({KEY}))")
        self.connection.execute(f"CREATE TEMP TABLE stage ({columns})")
        self.connection.commit()

    def process_item(self, item: dict) -> dict:
        names = ("adamId", "pricingParam", "clientUserId", "serialNumber")
        with self.connection.cursor() as cursor:
            with cursor.copy("COPY stage FROM STDIN") as copy:
                for one in item["records"]:
                    copy.write_row((*(str(one.get(name) or "") for name in names), json.dumps(one)))
            cursor.execute(f"""
                INSERT INTO mirror SELECT * FROM stage ON CONFLICT ({KEY}) DO UPDATE SET record = excluded.record
                WHERE mirror.record <> excluded.record""")
            cursor.execute("TRUNCATE stage")
        self.connection.commit()
        return item

    def close_spider(self) -> None:
        self.connection.close()


class Assignments(scrapy.Spider):
    name = "assignments"

    async def start(self):
        yield self.ask(0)

    def ask(self, index: int) -> scrapy.Request:
        url = f"{ORIGIN}/mdm/v2/assignments?pageIndex={index}"
        return scrapy.Request(url, headers={"Authorization": f"Bearer {TOKEN}"}, callback=self.parse)

    def parse(self, response):
        page = json.loads(response.body)
        yield {"records": page["assignments"]}
        if page["currentPageIndex"] == 0:
            for index in range(1, page["totalPages"]):
                yield self.ask(index)


process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": 5,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 5,
        "DOWNLOAD_DELAY": 0,
        "ITEM_PIPELINES": {Merge: 1},
        "LOG_LEVEL": "ERROR",
        "RETRY_ENABLED": True,
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(Assignments)
process.start()
