"""How bundles travel: folder, HTTPS, SFTP and mail; and the mailboxes in which they arrive."""
