"""Change events: deployments, rollouts and rollbacks, sent with the incidents that followed."""
