"""What a learner looks at. It only listens: the core never imports it, and without a tracer nothing is paid for it."""
