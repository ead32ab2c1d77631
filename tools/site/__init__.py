"""The executed notebooks as pages: static HTML that needs no kernel, no network and no server."""
