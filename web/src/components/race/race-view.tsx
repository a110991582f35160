/** The race of both modes over passages of one's own: state at the top, panels below. */
import { useCallback, useMemo, useReducer, useState } from 'preact/hooks';
import { asFailure } from '../../api/failure.ts';
import type { Account, Mode, ModelInfo } from '../../api/types.ts';
import { nameBlocks } from '../../lib/block-names.ts';
import { overflowOf } from '../../lib/overflow.ts';
import { firstSample, samples } from '../../lib/samples.ts';
import { type Measurement, measurementOf } from '../../state/measurements.ts';
import { documentsOf, noPassages, type PassagesAction, reducePassages } from '../../state/passages.ts';
import { chatBody, defaultSettings } from '../../state/settings.ts';
import { usePlan } from '../../state/use-plan.ts';
import { useRace } from '../../state/use-race.ts';
import type { ServerState } from '../../state/use-server.ts';
import { useSweep } from '../../state/use-sweep.ts';
import { Ask } from '../ask/ask.tsx';
import { SnippetView } from '../ask/snippet-view.tsx';
import { FailureNote } from '../failure-note.tsx';
import { Measured } from '../measured.tsx';
import { SettingsPanel } from '../settings-panel.tsx';
import { BlockChips } from './block-chips.tsx';
import { MaskView } from './mask-view.tsx';
import { PassagesPanel } from './passages-panel.tsx';
import { RacePanel } from './race-panel.tsx';

const firstPassages = reducePassages(noPassages, { type: 'load', documents: firstSample.documents });

interface Props {
  readonly server: ServerState;
  readonly hidden: boolean;
  readonly announce: (text: string) => void;
}

export function RaceView({ server, hidden, announce }: Props) {
  const race = useRace();
  const [passages, dispatch] = useReducer(reducePassages, firstPassages);
  const [sample, setSample] = useState(firstSample.id);
  const [question, setQuestion] = useState(firstSample.question);
  const [settings, setSettings] = useState(defaultSettings);
  const [measurements, setMeasurements] = useState<readonly Measurement[]>([]);
  const [answered, setAnswered] = useState<{ readonly prompt: string; readonly account: Account }>();
  const [version, setVersion] = useState(0);
  const [active, setActive] = useState<number>();
  const measured = useCallback((found: Measurement) => setMeasurements((all) => [...all, found]), []);
  const sweep = useSweep(measured);

  const { client, model } = server;
  const documents = useMemo(() => documentsOf(passages), [passages]);
  const bodyOf = (mode: Mode) => chatBody({ model: model?.id ?? '', mode, settings, documents, question });
  const prompt = JSON.stringify([documents, question]);
  const askable = model !== undefined && question.trim() !== '';
  const { plan, failure: refusal } = usePlan(client, askable && !hidden ? bodyOf('block') : undefined, version);
  const planFailure = refusal ?? overflowOf(plan, model, settings.maxTokens);
  const busy = race.running || sweep.progress !== undefined;
  const blocks = useMemo(
    () =>
      plan &&
      nameBlocks(
        plan,
        documents.map(({ title }) => title ?? ''),
        answered?.prompt === prompt ? answered.account : undefined,
      ),
    [plan, documents, answered, prompt],
  );

  const act = (action: PassagesAction) => {
    dispatch(action);
    setSample('');
  };
  const chooseSample = (id: string) => {
    setSample(id);
    const chosen = samples.find((one) => one.id === id);
    if (chosen === undefined) return;
    dispatch({ type: 'load', documents: chosen.documents });
    setQuestion(chosen.question);
    race.reset();
  };
  const start = async () => {
    const modes: readonly Mode[] = settings.lanes === 'both' ? ['block', 'full'] : [settings.lanes];
    const lanes = await race.start({
      client,
      bodies: modes.map((mode) => ({ mode, body: bodyOf(mode) })),
      encode: settings.encodeFirst && modes.includes('block') ? documents : [],
      together: settings.together,
    });
    const planned = plan && plan.context_tokens + plan.question_tokens;
    for (const mode of modes) {
      const found = measurementOf(lanes[mode], planned);
      if (found && lanes[mode].account?.policy !== undefined) measured(found);
    }
    if (lanes.block.account) setAnswered({ prompt, account: lanes.block.account });
    setVersion((count) => count + 1);
    if ([lanes.block, lanes.full].some((lane) => lane.failure?.kind === 'key')) server.retry();
  };
  const forget = async () => {
    try {
      await client.forget(documents);
      announce('The server forgot the states of these passages.');
      setAnswered(undefined);
    } catch (error) {
      announce(asFailure(error)?.message ?? 'Cancelled.');
    }
    setVersion((count) => count + 1);
  };

  return (
    <div class="race-view" hidden={hidden}>
      <div class="intro">
        <h1>Read each passage once. Answer at once.</h1>
        <p>
          Full attention reads the whole prompt again for every question. Block attention keeps what it computed for a
          passage, and reads only the question. Same model, same passages: race them.
        </p>
      </div>
      <div class="layout">
        <div class="column column-race">
          <section class="panel race-panel" aria-label="Race">
            <Ask
              question={question}
              running={race.running}
              obstacle={obstacle(
                model !== undefined,
                question,
                sweep.progress !== undefined,
                planFailure !== undefined,
              )}
              label={settings.lanes === 'both' ? 'Run the race' : 'Ask'}
              onQuestion={setQuestion}
              onStart={() => void start()}
              onStop={race.stop}
            />
            <SettingsPanel settings={settings} disabled={busy} onChange={setSettings} />
            {planFailure && <FailureNote failure={planFailure} />}
            <RacePanel
              race={race}
              chosen={settings.lanes}
              plan={plan}
              verified={verified(model)}
              onRetry={() => void start()}
            />
          </section>
        </div>
        <PassagesPanel
          client={client}
          passages={passages}
          plan={plan}
          disabled={busy}
          sample={sample}
          onAction={act}
          onSample={chooseSample}
          onForget={() => void forget()}
          announce={announce}
        />
        <div class="column column-more">
          {blocks && (
            <section class="panel" aria-labelledby="blocks-title">
              <div class="panel-head">
                <h2 id="blocks-title">Blocks of this prompt</h2>
              </div>
              <BlockChips blocks={blocks} active={active} onActive={setActive} />
            </section>
          )}
          <div class="pair">
            {blocks && (
              <section class="panel figure-panel" aria-labelledby="mask-title">
                <div class="panel-head">
                  <h2 id="mask-title">What each token attends to</h2>
                </div>
                <MaskView blocks={blocks} active={active} onActive={setActive} />
              </section>
            )}
            <Measured
              measurements={measurements}
              sweep={sweep}
              disabled={!askable || busy || documents.length === 0}
              onStart={() => void sweep.start({ client, model: model?.id ?? '', settings, documents, question })}
              onClear={() => setMeasurements([])}
            />
          </div>
          {model && (
            <SnippetView
              body={bodyOf(settings.lanes === 'full' ? 'full' : 'block')}
              keyed={server.key !== ''}
              announce={announce}
            />
          )}
        </div>
      </div>
    </div>
  );
}

function obstacle(connected: boolean, question: string, measuring: boolean, refused: boolean): string | undefined {
  if (!connected) return 'Waiting for the server.';
  if (question.trim() === '') return 'Ask something first.';
  if (measuring) return 'A measurement is running.';
  return refused ? 'The prompt does not fit: see below.' : undefined;
}

function verified(model: ModelInfo | undefined): boolean | undefined {
  const verdict = model?.block_attention?.verdict;
  return verdict === undefined ? undefined : verdict !== null;
}
