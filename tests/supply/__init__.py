"""What Watchkeeper is made of: its packages with their licences, a bill of materials, and known vulnerabilities."""
