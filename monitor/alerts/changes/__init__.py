"""Change events: deployments, rollouts and rollbacks, told beside the incidents that followed."""
