"""Where text comes from: servers and scripts behind one protocol. No Django, Celery or torch."""
