"""What is wrong with something that a person wrote, in words that let them put it right."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`field` as its writer knows it (`texts.mass.zh`), what is wrong there, and what to write instead."""

    field: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}; {self.remedy}"
