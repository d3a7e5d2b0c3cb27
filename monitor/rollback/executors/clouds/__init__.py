"""Platforms of cloud providers: SageMaker, Azure Machine Learning, Vertex AI."""
