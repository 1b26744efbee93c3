"""The store: every repository of one database, under one name each."""

from datetime import datetime

from .accounts import Accounts
from .alerts import Alerts
from .api_tokens import ApiTokens
from .channels import Channels
from .chores import Chores
from .closings import Closings
from .database import Database
from .hooks import Hooks
from .icons import Icons
from .ledger.crawls import Crawls
from .ledger.history import History
from .ledger.pages import Pages
from .ledger.progress import Progress
from .ledger.streams import Streams
from .ledger.syncs import Syncs
from .ledger.waits import Waits
from .listings import Listings
from .locations import Locations
from .mirror.browse import Browser
from .mirror.counts import Counts
from .mirror.days import AssetDays
from .mirror.export import Exporter
from .mirror.feed import Feed
from .mirror.publication import Publisher
from .mirror.sums import Sums
from .notice_secrets import NoticeSecrets
from .notices import Notices
from .purge import Purge
from .reports import Reports
from .sealer import Sealer
from .sessions import ConsoleSessions


class Store:
    """Everything that is kept in a database; tokens are opened with the sealer's keys."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database = database
        self.locations = Locations(database, sealer)
        self.notice_secrets = NoticeSecrets(database)
        self.notices = Notices(database)
        self.chores = Chores(database)
        self.closings = Closings(database)
        self.listings = Listings(database)
        self.icons = Icons(database)
        # Who is told what: programs, and people.
        self.hooks = Hooks(database, sealer)
        self.channels = Channels(database, sealer)
        self.alerts = Alerts(database)
        # Who may look.
        self.accounts = Accounts(database)
        self.sessions = ConsoleSessions(database)
        self.api_tokens = ApiTokens(database)
        # The ledger: what is being read.
        self.syncs = Syncs(database)
        self.streams = Streams(database)
        self.crawls = Crawls(database)
        self.pages = Pages(database, sealer)
        self.progress = Progress(database)
        self.history = History(database)
        self.waits = Waits(database)
        # The mirror: what was read.
        self.publisher = Publisher(database)
        self.counts = Counts(database)
        self.asset_days = AssetDays(database)
        self.browser = Browser(database)
        self.feed = Feed(database)
        self.exporter = Exporter(database)
        self.sums = Sums(database)
        self.purge = Purge(database)
        self.reports = Reports(database)

    def now(self) -> datetime:
        """Return the time by the database's clock, which all hosts share."""
        return self.database.now()
