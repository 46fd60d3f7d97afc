// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Every run of the account with the picture of its model.

import type { Job } from "./api";
import { DeleteButton } from "./downloads";
import { dateTime } from "./format";
import { chosenId, isFinal, loadRuns, nextPage, runs } from "./runs";
import { tab } from "./session";
import { Thumbnail } from "./stage";

export function Gallery() {
  return (
    <main id="main" tabIndex={-1} class="plain">
      <h1>Models</h1>
      {runs.value.length === 0 && (
        <p>
          No models yet. <a href="#make">Make the first one.</a>
        </p>
      )}
      <ul class="gallery">
        {runs.value.map((run) => (
          <li key={run.id} class={run.status}>
            <button type="button" onClick={() => open(run)}>
              <Thumbnail job={run} />
              <span>{dateTime(run.created_at)}</span>
              <small>
                {stateOf(run)} · {run.engine.name}
              </small>
            </button>
            {isFinal(run) && <DeleteButton job={run} />}
          </li>
        ))}
      </ul>
      {nextPage.value && (
        <button type="button" onClick={() => void loadRuns(nextPage.value ?? undefined)}>
          Show older runs
        </button>
      )}
    </main>
  );
}

function open(run: Job): void {
  chosenId.value = run.id;
  location.hash = "";
  tab.value = "make";
}

function stateOf(run: Job): string {
  if (run.mesh) return `${run.mesh.faces.toLocaleString("en")} faces`;
  return isFinal(run) ? run.status : `${Math.round(run.progress * 100)} %`;
}
