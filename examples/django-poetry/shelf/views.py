from django.forms import ModelForm
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .models import Book


class BookForm(ModelForm):
    class Meta:
        model = Book
        fields = ["title", "author"]


def index(request):
    form = BookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("index")
    return render(request, "shelf/index.html", {"books": Book.objects.all(), "form": form})


@require_POST
def finish(request, pk: int):
    book = get_object_or_404(Book, pk=pk)
    book.is_read = True
    book.save(update_fields=["is_read"])
    return redirect("index")


def health(request):
    return JsonResponse({"status": "ok", "books": Book.objects.count()})
