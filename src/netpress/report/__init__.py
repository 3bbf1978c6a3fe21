"""From tidy frames of records to statistics, tables, figures and verdicts."""
