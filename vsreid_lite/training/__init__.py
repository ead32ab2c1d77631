"""Training of the lite networks (section 3.4), each stage resumable and repeatable from its seed."""
