"""Kubernetes: Deployments and Argo Rollouts."""
