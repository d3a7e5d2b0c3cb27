"""Long lists with filters and pages: alerts that fired, refused records, and the audit log."""
