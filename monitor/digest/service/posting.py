"""Service reports as mails: the report in words, and the file that can be printed and passed on."""

from monitor.alerts.notification import Enclosure, Message
from monitor.digest.email_delivery import list_headers
from monitor.digest.service import page
from monitor.digest.service.periods import PeriodKind
from monitor.digest.service.report import ServiceReport

KINDS: dict[PeriodKind, str] = {"weekly": "report-w", "monthly": "report-m"}
"""How reports are named among the digests that went out."""


def mail(report: ServiceReport, version: str, address: str, public_url: str, unsubscribe: str) -> Message:
    """The mail to one recipient. `unsubscribe` is the address for unsubscribing, or empty."""
    title = f"Watchkeeper digest of {report.client}"
    headers = list_headers(f"{report.client}.digest.watchkeeper", title, unsubscribe)
    words = page.text(report, version)
    words += f"\nPage: {page.address(public_url, report)}\n" if public_url else ""
    words += f"Unsubscribe: {unsubscribe}\n" if unsubscribe else ""
    name = page.file_name(report.client, report.period)
    file = Enclosure(name, "text/html", page.html(report, version).encode("utf-8", "replace"))
    subject = f"{report.name}: service report, {report.period.title}"
    return Message(subject, words, to=(address,), headers=headers, files=(file,))
