"""The rejects file: format, writer, reader."""
