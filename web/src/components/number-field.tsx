/** A whole number with limits. What is typed counts as soon as it is within them; leaving the field mends the rest. */
import { useEffect, useState } from 'preact/hooks';

interface Props {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly disabled: boolean;
  readonly onChange: (value: number) => void;
}

export function NumberField({ label, value, min, max, disabled, onChange }: Props) {
  const [text, setText] = useState(String(value));
  useEffect(() => setText(String(value)), [value]);
  const take = (typed: string) => {
    setText(typed);
    const number = Number(typed);
    if (typed !== '' && Number.isInteger(number) && number >= min && number <= max) onChange(number);
  };
  return (
    <label class="field field-number">
      <span>{label}</span>
      <input
        type="number"
        inputMode="numeric"
        min={min}
        max={max}
        step={1}
        value={text}
        disabled={disabled}
        onInput={(event) => take(event.currentTarget.value)}
        onBlur={() => setText(String(value))}
      />
    </label>
  );
}
