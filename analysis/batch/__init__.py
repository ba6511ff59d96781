"""Work in parts: plan, engines, batch jobs, merging."""
