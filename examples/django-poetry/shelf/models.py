from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
    author = models.CharField(max_length=200, blank=True)
    is_read = models.BooleanField(default=False)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["is_read", "-added_at"]

    def __str__(self) -> str:
        return f"{self.title} by {self.author}" if self.author else self.title
