"""A to-do list. It lives in memory: every process starts with an empty one."""

from itertools import count
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel, Field


class Draft(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=200)]
    done: bool = False


class Task(Draft):
    id: int


app = FastAPI(title="Tasks", description=__doc__)
tasks: dict[int, Task] = {}
numbers = count(1)


def find(task_id: int) -> Task:
    if task_id not in tasks:
        raise HTTPException(404, f"There is no task {task_id}.")
    return tasks[task_id]


@app.get("/tasks")
def list_tasks(done: Annotated[bool | None, Query(description="Only those that are done, or not.")] = None) -> list[Task]:
    return [task for task in tasks.values() if done is None or task.done == done]


@app.post("/tasks", status_code=201)
def add_task(draft: Draft) -> Task:
    task = Task(id=next(numbers), **draft.model_dump())
    tasks[task.id] = task
    return task


@app.put("/tasks/{task_id}")
def change_task(task_id: int, draft: Draft) -> Task:
    tasks[find(task_id).id] = task = Task(id=task_id, **draft.model_dump())
    return task


@app.delete("/tasks/{task_id}", status_code=204)
def delete_task(task_id: int) -> None:
    del tasks[find(task_id).id]


@app.get("/healthz")
def health() -> dict[str, str | int]:
    return {"status": "ok", "tasks": len(tasks)}
