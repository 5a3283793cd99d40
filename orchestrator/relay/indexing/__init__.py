"""From the topics into the index."""
