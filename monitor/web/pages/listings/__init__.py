"""Long lists with filters and pages: refused records, and the audit log."""
