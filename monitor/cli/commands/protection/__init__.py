"""Commands that protect data: backups, encryption, the audit log, erasure."""
