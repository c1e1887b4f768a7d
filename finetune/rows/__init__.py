"""From files to what training wants of them: records, columns, values, and rows on disk."""
