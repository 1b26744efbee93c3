"""The API: the same facts as on the pages, for programs, described by an OpenAPI document."""
