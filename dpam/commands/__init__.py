"""One module per rule: reads files, calls the library, writes files atomically."""
