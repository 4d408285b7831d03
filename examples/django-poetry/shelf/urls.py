from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("books/<int:pk>/finish", views.finish, name="finish"),
    path("healthz", views.health),
]
