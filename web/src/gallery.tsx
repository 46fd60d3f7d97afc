// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// All runs of the account, with their pictures.

import { Delete } from "./downloads";
import { when } from "./format";
import { Thumb } from "./stage";
import { chosen, isFinal, loadJobs, nextPage, runs, tab } from "./state";

export function Gallery() {
  return (
    <main id="main" class="plain">
      <h1>Models</h1>
      {runs.value.length === 0 && (
        <p>
          There is none yet. <a href="#make">Make the first.</a>
        </p>
      )}
      <ul class="gallery">
        {runs.value.map((one) => (
          <li key={one.id} class={one.status}>
            <button type="button" onClick={() => ((chosen.value = one.id), (location.hash = ""), (tab.value = "make"))}>
              <Thumb job={one} />
              <span>{when(one.created_at)}</span>
              <small>
                {one.mesh
                  ? `${one.mesh.faces.toLocaleString("en")} faces`
                  : isFinal(one)
                    ? one.status
                    : `${Math.round(one.progress * 100)} %`}{" "}
                · {one.engine.name}
              </small>
            </button>
            {isFinal(one) && <Delete job={one} />}
          </li>
        ))}
      </ul>
      {nextPage.value && (
        <button type="button" onClick={() => void loadJobs(nextPage.value ?? undefined)}>
          Show earlier ones
        </button>
      )}
    </main>
  );
}
