"""A guestbook: Flask, SQLAlchemy, SQLite."""

import os
from datetime import datetime, timezone

from flask import Flask, redirect, render_template, request, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Entry(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    text: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(timezone.utc))


app = Flask(__name__)
# The disk of a container is empty again after a restart; DATABASE_URL names a database that stays.
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite:////tmp/guestbook.db")
db.init_app(app)
with app.app_context():
    db.create_all()


@app.get("/")
def index():
    entries = db.session.scalars(select(Entry).order_by(Entry.id.desc()).limit(50))
    return render_template("index.html", entries=entries)


@app.post("/")
def sign():
    name, text = request.form.get("name", "").strip(), request.form.get("text", "").strip()
    if not name or not text:
        return "A name and a text are needed.", 400
    db.session.add(Entry(name=name, text=text))
    db.session.commit()
    return redirect(url_for("index"))


@app.get("/healthz")
def health():
    return {"status": "ok", "entries": db.session.scalar(select(func.count(Entry.id)))}
