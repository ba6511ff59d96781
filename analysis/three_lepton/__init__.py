"""The search for anomalies in events with three leptons: yields, significances, inspection."""
