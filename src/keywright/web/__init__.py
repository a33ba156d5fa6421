"""Control plane, pages: the same services as `api`, for people in browsers."""
